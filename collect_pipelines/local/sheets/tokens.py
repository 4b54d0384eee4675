"""The OAuth token and revoke endpoints: authorization_code, refresh_token and JWT-bearer grants, access tokens that expire."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from collect_pipelines.local.sheets.errors import OAuthError
from collect_pipelines.local.sheets.grants import TESTING_SECONDS, Grant, Grants
from collect_pipelines.local.sheets.identity import SERVICE_ACCOUNT, Account, Identity
from collect_pipelines.local.sheets.limits import Limits

__all__ = ["Caller", "TokenOffice"]

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth signs this audience whatever the token_uri is
LONGEST_JWT_SECONDS = 3600
CLOCK_SKEW_SECONDS = 300
SCOPE_PREFIX = "https://www.googleapis.com/auth/"
NARROWER = {
    "spreadsheets": ("spreadsheets", "spreadsheets.readonly"),
    "drive": ("drive", "drive.readonly", "drive.file", "drive.metadata", "drive.metadata.readonly"),
}
JWT_TIMES = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is behind an access token."""

    account: Account
    scopes: frozenset[str]
    """Short names: `spreadsheets`, `drive.file` ..."""


class TokenOffice:
    """Gives and checks access tokens. A token is signed, not stored, so it outlives a restart."""

    def __init__(self, identity: Identity, limits: Limits, clock: Callable[[], float], token_uri: str) -> None:
        """`clock` decides when tokens expire; JWTs are dated by their sender and checked against real time."""
        self._identity = identity
        self._limits = limits
        self._clock = clock
        self._token_uri = token_uri
        self._valid_from = 0.0
        self.grants = Grants(identity.person_path.parent, clock, token_uri.removesuffix("/token"))

    def grant(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer of the token endpoint; raises OAuthError."""
        kind = form.get("grant_type")
        if kind == "refresh_token":
            return self._refresh(form)
        if kind == JWT_BEARER:
            return self._jwt_bearer(form.get("assertion", ""))
        if kind == "authorization_code":
            return self._authorization_code(form)
        raise OAuthError("unsupported_grant_type", f"Invalid grant_type: {kind}")

    def revoke(self, token: str) -> None:
        """
        The revoke endpoint: an access token takes its refresh token along. Raises OAuthError for a token that is none any more.

        developers.google.com/identity/protocols/oauth2/web-server#tokenrevoke
        """
        claims = self._claims(token)
        grant = self.grants.by_id(claims.get("grant", "")) if claims is not None else self.grants.by_refresh_token(token)
        if grant is None or not self.grants.alive(grant):
            raise OAuthError("invalid_token", "Token expired or revoked")
        self.grants.revoke(grant)

    def caller(self, token: str) -> Caller | None:
        """Who the token was given to; None when it is not ours, expired or expired by force."""
        claims = self._claims(token)
        if claims is None:
            return None
        account = self._identity.by_email(claims["email"])
        now = self._clock()
        if account is None or account.revoked or claims["exp"] <= now or claims["iat"] < self._valid_from:
            return None
        if "grant" in claims:
            grant = self.grants.by_id(claims["grant"])
            if grant is None or not self.grants.alive(grant):
                return None
            account = replace(account, client_id=grant.client_id)  # what drive.file shows is decided per client
        return Caller(account, frozenset(claims["scopes"]))

    def expire_all(self) -> None:
        """Every token given so far is invalid from now on."""
        self._valid_from = self._clock() + 1e-6

    def _claims(self, token: str) -> dict[str, Any] | None:
        content, _, signature = token.removeprefix("local.").partition(".")
        if not hmac.compare_digest(self._sign(content).encode(), signature.encode()):
            return None
        claims: dict[str, Any] = orjson.loads(_decoded(content))
        return claims

    def _authorization_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        self._check_client(form)
        for name in ("code", "redirect_uri"):
            if not form.get(name):
                raise OAuthError("invalid_request", f"Missing required parameter: {name}")
        grant = self.grants.exchange(form["code"], form["client_id"], form["redirect_uri"], form.get("code_verifier"))
        account = self._identity.by_email(grant.email)
        if account is None or account.revoked:
            raise OAuthError("invalid_grant", "Bad Request")
        answer = self._answer(account, grant.scopes, grant)
        if grant.refresh_token is not None:
            answer["refresh_token"] = grant.refresh_token
            if grant.ends_in_testing:
                answer["refresh_token_expires_in"] = int(TESTING_SECONDS) - 1
        if "openid" in grant.scopes:
            answer["id_token"] = self._id_token(account, grant)
        return answer

    def _granted(self, form: Mapping[str, str], grant: Grant) -> dict[str, Any]:
        self._check_client(form)
        account = self._identity.by_email(grant.email)
        if account is None or account.revoked or not self.grants.alive(grant):
            raise OAuthError("invalid_grant", "Token has been expired or revoked.")
        wanted = _short(form["scope"].split()) if form.get("scope") else grant.scopes
        if not set(wanted) <= set(grant.scopes):
            raise OAuthError("invalid_scope", "Bad Request")
        self.grants.use(grant)
        return self._answer(account, wanted, grant)

    def _check_client(self, form: Mapping[str, str]) -> None:
        if form.get("client_id") != self.grants.client.client_id:
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if not hmac.compare_digest(form.get("client_secret", "").encode(), self.grants.client.client_secret.encode()):
            raise OAuthError("invalid_client", "The provided client secret is invalid.", 401)

    def _id_token(self, account: Account, grant: Grant) -> str:
        """developers.google.com/identity/openid-connect/openid-connect#obtainuserinfo: a signed JWT of who granted."""
        now = int(self._clock())
        claims = {
            "iss": self._token_uri.removesuffix("/token"),
            "aud": grant.client_id,
            "azp": grant.client_id,
            "iat": now,
            "exp": now + 3600,
        }
        claims |= {"sub": self._identity.permission_id(account.email)}
        if "userinfo.email" in grant.scopes:
            claims |= {"email": account.email, "email_verified": True}
        signer = self._identity.accounts[SERVICE_ACCOUNT]
        content = f"{_encoded(orjson.dumps({'alg': 'RS256', 'kid': signer.private_key_id, 'typ': 'JWT'}))}.{_encoded(orjson.dumps(claims))}"
        private = cast(rsa.RSAPrivateKey, serialization.load_pem_private_key(signer.private_key.encode(), None))
        return f"{content}.{_encoded(private.sign(content.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def _refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        grant = self.grants.by_refresh_token(form.get("refresh_token", ""))
        if grant is not None:
            return self._granted(form, grant)
        account = self._identity.by_refresh_token(form.get("refresh_token", ""))
        if account is None:
            raise OAuthError("invalid_grant", "Bad Request")
        if (account.client_id, account.client_secret) != (form.get("client_id"), form.get("client_secret")):
            raise OAuthError("invalid_client", "The OAuth client was not found.", 401)
        if account.revoked:
            raise OAuthError("invalid_grant", "Token has been expired or revoked.")
        granted = _short(account.scopes)
        wanted = _short(form["scope"].split()) if form.get("scope") else granted
        allowed = {narrow for scope in granted for narrow in NARROWER.get(scope, (scope,))}
        if not set(wanted) <= allowed | {"openid", "userinfo.email", "userinfo.profile"}:
            raise OAuthError("invalid_scope", "Bad Request")
        return self._answer(account, wanted)

    def _jwt_bearer(self, assertion: str) -> dict[str, Any]:
        try:
            head, body, signature = assertion.split(".")
            header, claims = orjson.loads(_decoded(head)), orjson.loads(_decoded(body))
            signed = _decoded(signature)
        except ValueError as exc:
            raise OAuthError("invalid_grant", "Invalid JWT: Failed audience check or bad format.") from exc
        account = self._identity.by_email(claims.get("iss", ""))
        if account is None or account.kind != "service_account" or account.revoked:
            raise OAuthError("invalid_grant", "Invalid grant: account not found")
        if header.get("alg") != "RS256" or not _signed_by(account, f"{head}.{body}".encode(), signed):
            raise OAuthError("invalid_grant", "Invalid JWT Signature.")
        if claims.get("aud") not in (self._token_uri, GOOGLE_AUDIENCE):
            raise OAuthError("invalid_grant", "Invalid JWT: Failed audience check.")
        _check_times(claims)
        if claims.get("sub") not in (None, account.email):
            raise OAuthError("unauthorized_client", "Client is unauthorized to retrieve access tokens using this method.", 401)
        if not claims.get("scope"):
            raise OAuthError("invalid_scope", "Empty or missing scope not allowed.")
        return self._answer(account, _short(claims["scope"].split()))

    def _answer(self, account: Account, scopes: list[str], grant: Grant | None = None) -> dict[str, Any]:
        now = self._clock()
        claims: dict[str, Any] = {"email": account.email, "scopes": scopes, "iat": now, "exp": now + self._limits.token_seconds}
        if grant is not None:
            claims["grant"] = grant.grant_id
        content = _encoded(orjson.dumps(claims))
        token = f"local.{content}.{self._sign(content)}"
        answer = {"access_token": token, "expires_in": self._limits.token_seconds, "token_type": "Bearer"}
        return answer | {"scope": " ".join(scope if scope == "openid" else SCOPE_PREFIX + scope for scope in scopes)}

    def _sign(self, content: str) -> str:
        return _encoded(hmac.digest(self._identity.token_secret, content.encode(), hashlib.sha256))


def _short(scopes: list[str]) -> list[str]:
    return [scope.removeprefix(SCOPE_PREFIX) for scope in scopes]


def _check_times(claims: dict[str, Any]) -> None:
    now, issued, expires = time.time(), claims.get("iat", 0), claims.get("exp", 0)
    in_time = issued - CLOCK_SKEW_SECONDS <= now <= expires
    if not in_time or expires - issued > LONGEST_JWT_SECONDS + CLOCK_SKEW_SECONDS:
        raise OAuthError("invalid_grant", JWT_TIMES)


def _signed_by(account: Account, content: bytes, signature: bytes) -> bool:
    private = serialization.load_pem_private_key(account.private_key.encode(), None)
    try:
        cast(rsa.RSAPrivateKey, private).public_key().verify(signature, content, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
