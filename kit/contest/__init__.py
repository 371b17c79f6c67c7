"""For participants and hosts of a competition: validating a submission, packing its models, checking a pack."""
