"""Traces: what happened to one contract, across all services, as one trace. Off unless asked for.

Identifiers follow from what the chain says (`context`), so that nothing has to be stored; the log's records
carry `traceparent` headers beside that, which are hints. `docs/tracing.md` shows a trace.
"""
