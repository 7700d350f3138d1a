export { Authority, type IssuedCertificate } from "./authority.ts";
export { IssuedCertificates } from "./issued-certificates.ts";
