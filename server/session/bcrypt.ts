/**
 * bcrypt's texts as etcd keeps them, `$2a$10$…`, of which it reads those of other minor versions as well. Of a password count its
 * first 72 bytes. It works in pieces of 100 ms, on the thread that calls it.
 */
import * as bcrypt from "bcryptjs";

/** Version, cost, salt and hash. */
const TEXT = /^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;

/** Two of one password differ. */
export async function bcryptHash(password: string, cost: number): Promise<string> {
  const salt = bcrypt.genSaltSync(cost);
  // The versions differ in what other libraries did wrong; etcd writes this one.
  return bcrypt.hash(password, salt.replace("$2b$", "$2a$"));
}

export async function bcryptMatches(password: string, hash: string): Promise<boolean> {
  return TEXT.test(hash) && bcrypt.compare(password, hash);
}
