"""Ratio schedules: which weight before gets where, how one is written down, and ratios that were learned."""
