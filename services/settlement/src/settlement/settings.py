"""What settlement is told."""

from pydantic import Field

from sps.runtime.settings import ServiceSettings, settings_config


class Settings(ServiceSettings):
    """Environment prefix `SETTLEMENT_`."""

    model_config = settings_config("SETTLEMENT_")

    rates_url: str = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
    """Where the reference rates are published."""
    rates_every_s: float = Field(default=900.0, ge=1, le=86_400)
    """How often the source is looked at."""
    rates_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """One whole look at the source."""
    spread_bp: int = Field(default=50, ge=0, le=1_000)
    """Our share of a conversion, in basis points of the source amount."""
    quote_life_ms: int = Field(default=120_000, ge=5_000, le=300_000)
    """How long a locked rate stays good, in block time."""
