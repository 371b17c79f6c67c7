"""Reports for people and machines: tables, sentences, rankings, figures. Built from numbers, never from a model."""
