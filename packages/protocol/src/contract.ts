import { z } from "zod";

import {
  OrganizationRequest,
  OrganizationSummary,
  TokenRequest,
  TokenSummary,
  UserRequest,
  UserSummary,
} from "./accounts.ts";
import { errors } from "./errors.ts";
import { closeCode, rpcErrors } from "./json-rpc.ts";
import {
  CreateConfig,
  ExposeAnswer,
  ExposeRequest,
  ExtendAnswer,
  ExtendRequest,
  headers,
  paths,
  SandboxSummary,
  SignAnswer,
  SignRequest,
} from "./rest.ts";
import { sandboxMethods } from "./rpc/methods.ts";
import { streamNotifications, watcherRestart, WatcherRestart } from "./rpc/streams.ts";

/**
 * The whole wire as data: `contract.json` is made of it, and a change of it is a change of what clients
 * see. Schemas are JSON Schema; of parameters what a client may send, of results what it is sent.
 */
export function contract(): object {
  const notifications = { ...streamNotifications, [watcherRestart]: WatcherRestart };
  return {
    methods: sorted(
      Object.entries(sandboxMethods).map(([name, { params, result }]) => [
        name,
        { params: schemaOf(params, "input"), result: schemaOf(result, "output") },
      ]),
    ),
    notifications: sorted(
      Object.entries(notifications).map(([name, schema]) => [name, schemaOf(schema, "output")]),
    ),
    rest: {
      paths,
      headers,
      createConfig: schemaOf(CreateConfig, "input"),
      extendRequest: schemaOf(ExtendRequest, "input"),
      extendAnswer: schemaOf(ExtendAnswer, "output"),
      exposeRequest: schemaOf(ExposeRequest, "input"),
      exposeAnswer: schemaOf(ExposeAnswer, "output"),
      signRequest: schemaOf(SignRequest, "input"),
      signAnswer: schemaOf(SignAnswer, "output"),
      organizationRequest: schemaOf(OrganizationRequest, "input"),
      organizationSummary: schemaOf(OrganizationSummary, "output"),
      userRequest: schemaOf(UserRequest, "input"),
      userSummary: schemaOf(UserSummary, "output"),
      tokenRequest: schemaOf(TokenRequest, "input"),
      tokenSummary: schemaOf(TokenSummary, "output"),
      sandboxSummary: schemaOf(SandboxSummary, "output"),
    },
    errors: Object.fromEntries(Object.entries(errors).map(([code, { status }]) => [code, status])),
    rpcErrors: Object.fromEntries(
      Object.entries(rpcErrors).map(([name, { code }]) => [name, code]),
    ),
    closeCodes: closeCode,
  };
}

/** In the order of the names, so that a new one changes nothing but its own place. */
function sorted(entries: readonly (readonly [name: string, value: unknown])[]): object {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): unknown {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}
