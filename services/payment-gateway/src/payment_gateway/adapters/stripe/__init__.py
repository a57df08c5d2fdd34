"""Stripe: form-encoded calls with an Idempotency-Key, callbacks signed with HMAC-SHA256."""
