"""Every `code` that an answer can carry: what it means and what to do; the page `/docs/problems` shows it.

The contract's own codes stand in `sps.escrow.refusals`; here are those of HTTP, of this API and of the
gateways behind it. A test finds every code in the source and asks for its line.
"""

from typing import Final

from sps.escrow.refusals import REFUSALS

HTTP: Final[dict[str, str]] = {
    "BAD_REQUEST": "The request is not readable, for instance no UTF-8; correct its bytes.",
    "MALFORMED_JSON": "The body is not JSON; send one JSON document.",
    "UNAUTHORIZED": "The key is missing or not known; send Authorization: Bearer with your own key.",
    "FORBIDDEN": "Your key is good, but not for this.",
    "NOT_FOUND": "There is nothing at this address; check it.",
    "METHOD_NOT_ALLOWED": "The address exists, but not with this method; see the documentation.",
    "NOT_ACCEPTABLE": "The answer does not exist in the form that was asked for.",
    "REQUEST_TIMEOUT": "The rest of the request did not come; send it again.",
    "BODY_TOO_LARGE": "The body is larger than the limit in the message; send less.",
    "UNSUPPORTED_MEDIA_TYPE": "Send application/json.",
    "VALIDATION_FAILED": "Fields do not fit; `errors` names each of them with what is expected.",
    "HEADERS_TOO_LARGE": "There are too many headers, or too long ones; send less.",
    "INTERNAL_ERROR": "Something broke on our side and was recorded; tell us the instance.",
    "UNAVAILABLE": "Something that we need did not answer; nothing happened, try again in a moment.",
}

API: Final[dict[str, str]] = {
    "SELLER_ONLY": "Only the seller can do this; use the merchant's API key.",
    "BUYER_ONLY": "Only the buyer can do this; use the token of the buyer's link.",
    "REGISTRATION_CLOSED": "Nobody can register here by himself; ask the operator for an API key.",
    "NAME_BAD": "A name has 1 to 120 characters; choose another.",
    "IDEMPOTENCY_KEY_MISSING": "Every change needs an Idempotency-Key; send a new one with each new request.",
    "IDEMPOTENCY_KEY_BAD": "An Idempotency-Key has 1 to 255 visible ASCII characters; send such a one.",
    "IDEMPOTENCY_KEY_REUSED": "The key was used for another request; use a new key for a new request.",
    "BAD_CURSOR": "The cursor is not one of ours; send back next_cursor as it was given.",
    "WRONG_TERMS_HASH": "These are not the terms that are offered now; load the contract again.",
    "ADDRESS_ERASED": "The delivery address was erased; the parcel cannot be booked any more.",
    "UNKNOWN_BENEFICIARY": "The account is not registered by you; register it first.",
    "UNKNOWN_BLOCK": "No block of this height is folded here yet; ask again later.",
    "PROOF_NOT_READY": "A later block has to carry the newest results; ask again in a second.",
    "LINK_BAD": "This link opens no contract; ask the seller to send it again, all of it.",
    "NO_SESSION": "You are not signed in, or no longer; enter with your API key on the start page.",
    "FORM_EXPIRED": "The form is too old; go back, load the page again and send it again.",
    "MALFORMED_AMOUNT": "An amount is written like 1280.00, with digits and one point.",
    "AMOUNT_TOO_LARGE": "The amount is too large; split it.",
    "TOO_MANY_DECIMALS": "The amount has more decimals than the currency; round it yourself.",
}

GATEWAYS: Final[dict[str, str]] = {
    "TRACKING_NUMBER_USED": "This tracking number belongs to another parcel; check it.",
    "BAD_TRACKING_NUMBER": "A tracking number has 4 to 40 letters A-Z and digits; correct it.",
    "BAD_DESTINATION": "No carrier can confirm this country or postcode; correct the address.",
    "UNKNOWN_PROVIDER": "This payment provider is not connected; choose another.",
    "NOT_PAYABLE": "A contract is paid after both have agreed and before it is closed; load the page again.",
    "NOTHING_DUE": "The contract is paid already; nothing needs to be done.",
    "CURRENCY_NOT_OFFERED": "The provider does not take this currency; choose another provider.",
    "AMOUNT_NOT_EXACT": "The provider cannot move exactly this amount; choose another amount or provider.",
    "AMOUNT_OUT_OF_RANGE": "The provider does not move so little or so much at once; choose another amount.",
    "BAD_ACCOUNT": "The provider has no such accounts; spell the account as the message says.",
    "NAME_NEEDED": "The provider wants the name of the account's holder; fill it in.",
}

PROBLEMS: Final[dict[str, str]] = {**HTTP, **API, **GATEWAYS, **REFUSALS}
"""Code to what it means and what to do."""
