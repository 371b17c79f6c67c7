"""The numbers of RULES.md and of the competition, in one place; a test holds the page and this file together.

Those that a type computes with stand beside it, and are handed on from here.
"""

from __future__ import annotations

from kit.types import cost, score_info

# Results of the same major and minor version can be compared.
SCORE_VERSION = "3.0"

# The rows that every table has: the model before unlearning, and what it is compared with.
ORIGINAL, RETRAIN = "original", "retrain"
LANDMARKS = (ORIGINAL, RETRAIN)

# The share of a retraining that a call may take.
TIME_BUDGET = 0.2
# How far over it 'kit validate' puts down to noise, and how much of a call is taken out for tracing at most.
TIMING_NOISE, MOST_TRACES = cost.TIMING_NOISE, cost.MOST_TRACES
# A host is told of who claims more first steps: a function that compiles four times or less needs no more.
MANY_TRACES = 4
# In standard errors.
NOISE = score_info.NOISE
# The probability, after Holm's correction, with which a ranking calls any two methods different that are not.
SIGNIFICANCE = 0.05
# So much lost accuracy counts as much as to be one standard deviation of a retraining off on each forget example.
HARM = 0.05

# A call is ended after so many retrainings in plain Keras and at least so many seconds; 'kit validate' waits less long.
PATIENCE_RETRAININGS, PATIENCE_SECONDS = 10, 60
VALIDATION_RETRAININGS, VALIDATION_SECONDS = 2, 20.0
# An import that takes longer is warned of, then ended.
SLOW_IMPORT_SECONDS, IMPORT_SECONDS = 5.0, 30.0
# Of all processes of a submission: this share of the machine's memory, and no more than so many bytes.
MEMORY_SHARE, MEMORY_BYTES = 0.5, 8 << 30
# Bytes printed from which on 'kit validate' warns, and fails.
WARN_OUTPUT, MAX_OUTPUT = 100_000, 10_000_000
