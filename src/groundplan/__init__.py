"""Plan, twin and price AI factories on ground you control."""

__version__ = "0.1.0"
