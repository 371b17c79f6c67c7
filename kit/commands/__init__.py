"""The command line, one file a command: thin, and without TensorFlow until a command needs it."""
