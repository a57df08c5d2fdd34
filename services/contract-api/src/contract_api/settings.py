"""What contract-api is told."""

from pathlib import Path

from pydantic import Field

from sps.runtime.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """Environment prefix `CONTRACT_API_`."""

    model_config = settings_config("CONTRACT_API_")

    public_url: str = "http://127.0.0.1:8080"
    """How people reach the pages; it stands in Bob's link."""
    custody_key: Path
    """The key from which the parties' keys follow, for parties without a key of their own."""
    payment_gateway_url: str = "http://127.0.0.1:8082"
    """Where checkouts are opened and beneficiaries are registered."""
    carrier_gateway_url: str = "http://127.0.0.1:8081"
    """Where parcels are booked."""
    open_registration: bool = False
    """Whether anybody may become a merchant by the page or by `POST /v1/merchants`."""
    live: bool = False
    """Whether keys are `spsk_live_…`; live and test data never mix in one installation."""
    payment_providers: tuple[str, ...] = ("alipay", "stripe")
    """Those that the buyer may choose from."""
    pay_origins: tuple[str, ...] = ("https://openapi.alipay.com", "https://checkout.stripe.com")
    """Where a form may lead the buyer to pay (`form-action` of the pages' content security policy)."""
    carriers: tuple[str, ...] = ("dhl", "easypost")
    """Those that an offer may name."""
    wait_s: float = Field(default=8.0, gt=0, le=30)
    """How long a request waits for its block before it is answered 202."""
    gateway_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """A whole call to a gateway."""
