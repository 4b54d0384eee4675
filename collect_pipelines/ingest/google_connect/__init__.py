"""The pages on which a person connects a Google account to an organization: /google/connect, Google's consent, /google/callback."""
