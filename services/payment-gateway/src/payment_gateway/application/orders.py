"""Orders to pay out: taken from settlement's topic when signature and chain agree, carried out once.

SENDING(n) is committed before the call, no transaction is open during it, and its answer is written only
under the same fence, together with the fact for the chain (`docs/ledger.md` §8).
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from payment_gateway.application.concurrency import side_by_side
from payment_gateway.application.payment_tracing import PaymentTracing
from payment_gateway.application.ports import ChainView, Instruction, PaymentProvider
from payment_gateway.application.register import (
    BeneficiaryRegister,
    OrderRegister,
    OrderRow,
    Position,
)
from payment_gateway.core.expected import check_payout, check_refund
from payment_gateway.core.outcome import Outcome, Rejected, Unknown
from payment_gateway.core.payout import (
    Machine,
    Rules,
    Step,
    adopt,
    answered,
    begin_look,
    begin_sending,
    intake,
    looked_up,
    next_act,
    recover,
)
from payment_gateway.core.refusal import Refused
from payment_gateway.core.results import payout_result, refund_result
from payment_gateway.core.units import to_provider
from payment_gateway.core.words import reason_name
from payment_gateway.metrics import GatewayMetrics
from sps.escrow.state import Payout, Refund
from sps.runtime.clock import Clock
from sps.runtime.logs import get_logger
from sps.runtime.probe import Probe
from sps.transactions.orders import BadOrder, Order, open_order
from sps.transactions.vocabulary import Transaction

ROUND_MAX: Final = 50
AT_ONCE: Final = 8

_log: Final = get_logger("payment_gateway")


class Trust(Struct, frozen=True):
    """Whose orders are carried out, on which chain."""

    settlement_key: bytes
    chain_id: bytes


class TakeOrders:
    """From the topic into the register."""

    def __init__(
        self,
        register: OrderRegister,
        chain: ChainView,
        providers: Mapping[str, PaymentProvider],
        trust: Trust,
        clock: Clock,
        metrics: GatewayMetrics,
    ) -> None:
        self._register = register
        self._chain = chain
        self._providers = providers
        self._trust = trust
        self._clock = clock
        self._metrics = metrics

    async def take(self, position: Position, record: bytes) -> bool:
        """Take one record; True when a new order came of it. Raises `Trouble` while our fold is behind."""
        try:
            order = open_order(record, self._trust.settlement_key, self._trust.chain_id)
            await self._chain.reached(order.height)
            row = await self._checked(order)
        except (BadOrder, Refused) as refusal:
            code = refusal.code if isinstance(refusal, Refused) else "BAD_ORDER"
            self._metrics.refused_orders.inc()
            _log.warning("order.refused", code=code, partition=position.partition, offset=position.offset)
            await self._register.refuse_order(position, code, record, self._clock.now_ms())
            return False
        return await self._register.take_order(position, row)

    async def _checked(self, order: Order) -> OrderRow | None:
        """The row of an order that the chain confirms; None for a repeat of one that is already taken."""
        if await self._register.order(order.id) is not None:
            return None
        contract = ""
        if order.kind == "payout":
            check_payout(order, self._chain.payout(order.id))
        else:
            found = self._chain.refund(order.payment or "", order.id)
            check_refund(order, found[1] if found else None)
            contract = found[0] if found else ""
        now_ms = self._clock.now_ms()
        ordered_ms = await self._register.ordered_ms(order.id) or 0
        provider = self._providers.get(order.provider)
        rules = provider.rules if provider else Rules()
        return OrderRow(
            id=order.id,
            kind=order.kind,
            provider=order.provider,
            amount=order.amount.money,
            beneficiary=order.beneficiary or "",
            payment=order.payment or "",
            contract=contract,
            ordered_ms=ordered_ms,
            machine=intake(ordered_ms, now_ms, rules),
        )


class CarryOut:
    """Sends, looks up and reports."""

    def __init__(
        self,
        register: OrderRegister,
        beneficiaries: BeneficiaryRegister,
        chain: ChainView,
        providers: Mapping[str, PaymentProvider],
        clock: Clock,
        metrics: GatewayMetrics,
        stopped: frozenset[str],
        probe: Probe,
        tracing: PaymentTracing | None = None,
    ) -> None:
        self._register = register
        self._beneficiaries = beneficiaries
        self._chain = chain
        self._providers = providers
        self._clock = clock
        self._metrics = metrics
        self._stopped = stopped
        self._probe = probe
        self._tracing = tracing
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.wake: Final = asyncio.Event()

    async def round(self) -> int:
        """Do what is due; returns on how many orders something was done."""
        self.wake.clear()
        due = await self._register.due_orders(self._clock.now_ms(), ROUND_MAX, self._stopped)
        self._metrics.open_orders.set(len(due))
        return sum(await side_by_side(self._act(row) for row in due))

    async def _act(self, row: OrderRow) -> bool:
        async with self._slots:
            provider = self._providers.get(row.provider)
            rules = provider.rules if provider else Rules()
            now_ms = self._clock.now_ms()
            match next_act(row.machine, now_ms, rules):
                case None:
                    return False
                case "recover":
                    return (
                        await self._register.claim_order(row, recover(row.machine, now_ms), None) is not None
                    )
                case "send":
                    known = self._settled_before(row, now_ms)
                    if known is not None:
                        return await self._register.claim_order(row, known, None) is not None
                    return await self._send(row, provider, rules)
                case "look_up":
                    return await self._look_up(row, provider, rules)

    def _settled_before(self, row: OrderRow, now_ms: int) -> Machine | None:
        """What becomes of an order that has a result on the chain already; None: it is open there."""
        order: Payout | Refund | None
        if row.kind == "payout":
            order = self._chain.payout(row.id)
        else:
            found = self._chain.refund(row.payment, row.id)
            order = found[1] if found else None
        if order is None or order.state == "ordered":
            return None
        return adopt(row.machine, order.state, order.reference, now_ms)

    async def _send(self, row: OrderRow, provider: PaymentProvider | None, rules: Rules) -> bool:
        prepared = await self._prepare(row, provider)
        request = repr(prepared).encode() if isinstance(prepared, Instruction) else b""
        sending = begin_sending(row.machine, self._clock.now_ms(), rules)
        claimed = await self._register.claim_order(row, sending, request)
        if claimed is None:
            return False
        self._probe("order.sending")
        if self._clock.now_ms() >= claimed.machine.due_ms:
            # We stood still for longer than the lease: another may be at it, and asks before it sends.
            return False
        began_ms = self._clock.now_ms()
        outcome = await _call(provider, row, prepared) if provider else _refusal("unknown_provider")
        self._probe("order.answered")
        step = answered(claimed.machine, outcome, self._clock.now_ms(), rules)
        await self._save(claimed, step, outcome, began_ms)
        return True

    async def _look_up(self, row: OrderRow, provider: PaymentProvider | None, rules: Rules) -> bool:
        looking = begin_look(row.machine, self._clock.now_ms(), rules)
        claimed = await self._register.claim_order(row, looking, None)
        if claimed is None:
            return False
        prepared = await self._prepare(row, provider)
        began_ms = self._clock.now_ms()
        outcome: Outcome
        if provider is None or isinstance(prepared, Rejected):
            # Without the account nothing can be asked; a person has to see it.
            outcome = Unknown(prepared.reason if isinstance(prepared, Rejected) else "unknown_provider")
        else:
            outcome = await _find(provider, row, prepared)
        step = looked_up(claimed.machine, outcome, self._clock.now_ms(), rules)
        await self._save(claimed, step, outcome, began_ms)
        return True

    async def _prepare(self, row: OrderRow, provider: PaymentProvider | None) -> Instruction | Rejected:
        """What the provider is told; a refusal is certain before any call and the same at every attempt."""
        if provider is None:
            return _refusal("unknown_provider")
        units = provider.units.payout if row.kind == "payout" else provider.units.refund
        try:
            to_provider(row.amount, units)
        except Refused as refusal:
            return _refusal(refusal.code)
        if row.kind == "payout":
            return await self._payout(row)
        return self._refund(row)

    async def _payout(self, row: OrderRow) -> Instruction | Rejected:
        beneficiary = await self._beneficiaries.beneficiary(row.beneficiary)
        if beneficiary is None or beneficiary.provider != row.provider:
            return _refusal("unknown_beneficiary")
        return Instruction(
            row.id,
            row.amount,
            row.ordered_ms,
            account=beneficiary.account,
            name=beneficiary.name,
            reference=row.machine.reference,
        )

    def _refund(self, row: OrderRow) -> Instruction | Rejected:
        contract = self._chain.contract(row.contract)
        payin = (
            next((payin for payin in contract.payins if payin.id == row.payment), None) if contract else None
        )
        if payin is None or payin.provider != row.provider or not payin.reference:
            return _refusal("unknown_payment")
        return Instruction(
            row.id,
            row.amount,
            row.ordered_ms,
            payment=row.payment,
            payment_reference=payin.reference,
            reference=row.machine.reference,
        )

    async def _save(self, claimed: OrderRow, step: Step, outcome: Outcome, began_ms: int) -> None:
        facts = _facts(claimed, step, outcome)
        kept = await self._register.save_order(claimed, step.machine, outcome, facts, self._clock.now_ms())
        self._probe("order.saved")
        if not kept:
            self._metrics.void_answers.inc()
            return
        word = step.report or step.machine.state
        self._metrics.orders.labels(claimed.provider, word).inc()
        if self._tracing is not None:
            self._tracing.carried_out(claimed, word, began_ms)
        _log.info(
            "order.step", order=claimed.id, provider=claimed.provider, step=word, n=step.machine.attempt
        )


def _facts(row: OrderRow, step: Step, outcome: Outcome) -> list[Transaction]:
    if row.kind == "payout":
        result = payout_result(row.id, row.amount, step, outcome)
    else:
        result = refund_result(row.contract, row.id, step)
    return [result] if result else []


async def _call(provider: PaymentProvider, row: OrderRow, prepared: Instruction | Rejected) -> Outcome:
    if isinstance(prepared, Rejected):
        return prepared
    if row.kind == "payout":
        return await provider.send_payout(prepared)
    return await provider.send_refund(prepared)


async def _find(provider: PaymentProvider, row: OrderRow, instruction: Instruction) -> Outcome:
    if row.kind == "payout":
        return await provider.find_payout(instruction)
    return await provider.find_refund(instruction)


def _refusal(code: str) -> Rejected:
    return Rejected(reason_name(code))
