"""Reports for people and machines: tables, sentences, rankings, figures. Built from numbers, never from a model.

The public name is `kit.report`:

>>> import kit
>>> kit.report.to_json([])["reports"]
[]
"""

from kit.reports.records import from_json, read_json, to_json, write_json
from kit.reports.table import print_table
from kit.reports.words import facts_told, meaning
from kit.rules import TIME_BUDGET

__all__ = ["TIME_BUDGET", "facts_told", "from_json", "meaning", "print_table", "read_json", "to_json", "write_json"]
