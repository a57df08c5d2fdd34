import pytest
import structlog
from gateway_kit import FakeCarrier, Town


@pytest.fixture
def dhl():
    return FakeCarrier()


@pytest.fixture
async def town(tmp_path, dhl, database_url):
    async with Town(tmp_path, {"dhl": dhl}, database_url=database_url) as built:
        yield built


@pytest.fixture(autouse=True)
def plain_logs():
    """Tracebacks in colour with all local variables take seconds each."""
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[plain])
    yield
    structlog.reset_defaults()
