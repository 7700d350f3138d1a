import { z } from "zod";

import { limits } from "./limits.ts";

/** What a user may do: a member works with the organization's sandboxes, an admin runs the server as well. */
export const Role = z.enum(["admin", "member"]);
export type Role = z.infer<typeof Role>;

/** What users and organizations are called. It cannot be taken for an id. */
export const AccountName = z
  .string()
  .max(limits.accountNameMax)
  .regex(/^[A-Za-z0-9][A-Za-z0-9.@-]*$/);

/** An organization, as it is told of. Its users share its sandboxes. */
export const OrganizationSummary = z.object({
  id: z.string(),
  name: z.string(),
  createdAt: z.iso.datetime(),
});
export type OrganizationSummary = z.infer<typeof OrganizationSummary>;

/** Makes an organization. */
export const OrganizationRequest = z.object({ name: AccountName });

/** A user, as it is told of. */
export const UserSummary = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  organization: z.object({ id: z.string(), name: z.string() }),
  createdAt: z.iso.datetime(),
});
export type UserSummary = z.infer<typeof UserSummary>;

/** Makes a user. */
export const UserRequest = z.object({
  name: AccountName,
  /** By name or id; that of whoever asks when it is left out. */
  organization: z.string().nullish(),
  /** A member when it is left out. */
  role: Role.nullish(),
});
export type UserRequest = z.infer<typeof UserRequest>;

/** A token, as it is told of: never with its text. */
export const TokenSummary = z.object({
  id: z.string(),
  name: z.string(),
  /** The id of whom it belongs to; null for one that a sandbox was given. */
  user: z.string().nullable(),
  /** What it is good for. */
  scope: z.enum(["user", "sandbox", "gateway"]),
  /** The one sandbox that it is good for. */
  sandbox: z.string().nullable(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
});
export type TokenSummary = z.infer<typeof TokenSummary>;

/** Makes a token. */
export const TokenRequest = z.object({
  name: z.string().max(limits.accountNameMax),
  expires_in_ms: z
    .int()
    .min(1)
    .max(Number.MAX_SAFE_INTEGER / 2)
    .nullish(),
  /** For another user, by name or id: an admin's to ask. */
  user: z.string().nullish(),
  /** Good for this sandbox alone. */
  sandbox: z.string().nullish(),
  /** Good for an SSH gateway and nothing else: an admin's to ask. */
  gateway: z.boolean().nullish(),
});
export type TokenRequest = z.infer<typeof TokenRequest>;

/** A token that was just made: the one time that its text can be read. */
export const IssuedTokenAnswer = TokenSummary.extend({ token: z.string() });
export type IssuedTokenAnswer = z.infer<typeof IssuedTokenAnswer>;
