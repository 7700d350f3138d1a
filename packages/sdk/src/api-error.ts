import { ApiError, type SkerryErrorOptions } from "./errors.ts";

/** The parts of an HTTP answer that an error is made of. */
export interface RefusedAnswer {
  readonly status: number;
  readonly traceId?: string | readonly string[] | undefined;
}

/** The error for an answer that is not a success: from its `{code, message, remedy}`, if it has one. */
export function apiErrorOf(
  answer: RefusedAnswer,
  body: string,
  options: SkerryErrorOptions = {},
): ApiError {
  const { code, message, remedy } = fieldsOf(body);
  return new ApiError(
    answer.status,
    code ?? `HTTP_${answer.status}`,
    message ?? `The server answered with status ${answer.status}.`,
    {
      ...options,
      remedy,
      traceId: typeof answer.traceId === "string" ? answer.traceId : undefined,
    },
  );
}

interface Fields {
  readonly code?: string | undefined;
  readonly message?: string | undefined;
  readonly remedy?: string | undefined;
}

function fieldsOf(body: string): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return { message: body.trim() === "" ? undefined : body.trim().slice(0, 1_000) }; // a proxy's page, say
  }
  if (typeof parsed !== "object" || parsed === null) return {};
  const text = (key: string): string | undefined => {
    const value: unknown = Reflect.get(parsed, key);
    return typeof value === "string" ? value : undefined;
  };
  return { code: text("code"), message: text("message"), remedy: text("remedy") };
}
