import { createHmac, timingSafeEqual } from "node:crypto";
import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  Injectable,
  UnauthorizedException,
} from "@nestjs/common";
import { Config } from "./config.js";

/** A bearer token: the tradie's account, a dot, and the signature. Never expires: put your identity provider here. */
export function tokenOf(account: string, secret: string): string {
  return `${account}.${createHmac("sha256", secret).update(account).digest("base64url")}`;
}

@Injectable()
export class AuthGuard implements CanActivate {
  constructor(private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest();
    const token = /^Bearer ([!-~]{1,200})$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    const account = token.slice(0, Math.max(token.lastIndexOf("."), 0));
    const [given, right] = [Buffer.from(token), Buffer.from(tokenOf(account, this.config.authSecret))];
    if (account === "" || given.length !== right.length || !timingSafeEqual(given, right))
      throw new UnauthorizedException();
    request.account = account;
    return true;
  }
}

/** The account that the guard found: the only one that a request can touch. */
export const Account = createParamDecorator(
  (_, context: ExecutionContext) => context.switchToHttp().getRequest().account,
);
