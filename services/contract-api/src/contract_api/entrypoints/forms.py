"""From what people write into forms to the API's own bodies, so that pages and API refuse alike."""

from typing import Any, Final

from pydantic import ValidationError

from contract_api.entrypoints.models import NewContract, NewParcel
from sps.money import Money, MoneyRefused, parse_major
from sps.runtime.problems import FieldError, Problem

LABELS: Final = {
    "/amount": "Price",
    "/description": "What do you sell?",
    "/ship_to/name": "Buyer's name on the parcel",
    "/ship_to/street": "Street and number",
    "/ship_to/postcode": "Postcode",
    "/ship_to/city": "City",
    "/ship_to/country": "Country",
    "/carriers": "Carrier",
    "/release": "Release the money",
}
"""Where a value of the body stands in the form."""


def typed_amount(text: str, currency: str) -> Money:
    """An amount as people write it, `1280.00`; a problem that says what to do otherwise."""
    try:
        return parse_major(text.strip(), currency)
    except MoneyRefused as error:
        wrong = FieldError("/amount", error.code, str(error))
        raise Problem(422, error.code, "The amount does not fit", str(error), [wrong]) from error


def new_contract(form: dict[str, str]) -> NewContract:
    """The contract that the form describes."""
    amount = typed_amount(form.get("price", ""), form.get("currency", ""))
    address = {part: form.get(part, "") for part in ("street", "city", "postcode")}
    names = {"name": form.get("ship_name", ""), "country": form.get("country", "").upper()}
    values: dict[str, Any] = {
        "amount": {"minor": str(amount.minor), "currency": amount.currency},
        "description": form.get("description", ""),
        "ship_to": address | names,
        "carriers": [form.get("carrier", "")],
        "release": form.get("release", ""),
    }
    try:
        return NewContract.model_validate(values)
    except ValidationError as error:
        raise Problem(
            422, "VALIDATION_FAILED", "Please look at the form again", "", _field_errors(error)
        ) from error


def new_parcel(parcel: str, carrier: str, tracking_number: str) -> NewParcel:
    """The parcel that the form describes."""
    try:
        return NewParcel(parcel=parcel, carrier=carrier, tracking_number=tracking_number)
    except ValidationError as error:
        raise Problem(
            422,
            "BAD_TRACKING_NUMBER",
            "Please look at the form again",
            "a tracking number has 4 to 40 letters A-Z and digits",
            _field_errors(error),
        ) from error


def wrong_fields(problem: Problem) -> list[str]:
    """The labels of the fields that do not fit, in the form's order."""
    found = {each.pointer for each in problem.errors}
    return [label for pointer, label in LABELS.items() if any(each.startswith(pointer) for each in found)]


def _field_errors(error: ValidationError) -> list[FieldError]:
    return [
        FieldError("/" + "/".join(map(str, each["loc"])), each["type"].upper(), each["msg"])
        for each in error.errors()
    ]
