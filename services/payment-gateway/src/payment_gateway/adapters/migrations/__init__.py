"""Alembic migrations of the payment gateway."""
