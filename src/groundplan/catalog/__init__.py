"""Accelerators, servers, model cards, tariffs, offers, prices: every number with its source."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from groundplan.catalog._accelerators import Accelerator, MemoryKind
from groundplan.catalog._base import BITS, NamedRow, Precision, Row, figure_paths, figure_source
from groundplan.catalog._catalog import Catalog, ModelName, figure_counts
from groundplan.catalog._drafts import draft_fault
from groundplan.catalog._models import (
    Arch,
    MeasuredCost,
    MlaArch,
    ModelCard,
    RecurrentArch,
    SparseAttention,
    StreamArch,
    TowerArch,
    TransformerArch,
    VisionArch,
    VlaArch,
    WorldArch,
)
from groundplan.catalog._places import CloudOffer, Country, FxRate, TokenPrice, token_price
from groundplan.catalog._servers import Server
from groundplan.catalog._tariffs import DAY_TYPES, DayType, EnergyBlock, Tariff

if TYPE_CHECKING:
    from groundplan.catalog._hf import model_from_hf_config
    from groundplan.catalog._own import Housing, Overheads, OwnCosts, ServerPrice, own_costs, server_price
    from groundplan.catalog._rules import (
        ChipTest,
        CountryGroup,
        ExportParagraph,
        ExportRule,
        FreeLabel,
        GroupMember,
        assumed_members,
        country_group,
        export_paragraphs,
        export_rules,
        free_labels,
        rules,
        rules_as_of,
    )
    from groundplan.catalog._token_offers import TokenOffer, token_offers

__all__ = [
    "BITS",
    "DAY_TYPES",
    "Accelerator",
    "Arch",
    "Catalog",
    "ChipTest",
    "CloudOffer",
    "Country",
    "CountryGroup",
    "DayType",
    "EnergyBlock",
    "ExportParagraph",
    "ExportRule",
    "FreeLabel",
    "FxRate",
    "GroupMember",
    "Housing",
    "MeasuredCost",
    "MemoryKind",
    "MlaArch",
    "ModelCard",
    "ModelName",
    "NamedRow",
    "Overheads",
    "OwnCosts",
    "Precision",
    "RecurrentArch",
    "Row",
    "Server",
    "ServerPrice",
    "SparseAttention",
    "StreamArch",
    "Tariff",
    "TokenOffer",
    "TokenPrice",
    "TowerArch",
    "TransformerArch",
    "VisionArch",
    "VlaArch",
    "WorldArch",
    "assumed_members",
    "country_group",
    "draft_fault",
    "export_paragraphs",
    "export_rules",
    "figure_counts",
    "figure_paths",
    "figure_source",
    "free_labels",
    "model_from_hf_config",
    "own_costs",
    "rules",
    "rules_as_of",
    "server_price",
    "token_offers",
    "token_price",
]

_LATER = ("_rules", "_own", "_token_offers", "_hf")
"""Modules that few commands need: they load when one of their names is asked for."""


def __getattr__(name: str) -> Any:
    """A public name of a module that is not loaded yet."""
    for module in _LATER if name in __all__ else ():
        if hasattr(loaded := import_module(f"{__name__}.{module}"), name):
            return getattr(loaded, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
