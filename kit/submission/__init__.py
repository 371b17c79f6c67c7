"""A stranger's file: how it is read, checked and run, below all that decides what to run it for.

`source` reads it, `text_checks` and `reaching` judge its text, `contained` runs it with what `handover` writes: behind
`supervisor`, in the program `inside`, whose `zygote` forks a process for each run, which `confinement` takes into its
`sandbox`; heard through `pipes`. `diagnosis` says why it ended, `returned` whether what it returned is legal. Nothing
that it hands back is believed.

Decisions:

- A method is resolved once (`entry`): the public functions and the commands turn a name, a function or a file into an
  `Entry`, and nothing below asks again what it is. A file is read there and then, so that what is hashed is what
  runs.
- A file runs contained, a function does not: a function is yours, and wants a debugger; a file may be a stranger's.
  `kit.validate` runs functions contained as well, because it has to end them.
- What a submission may use of the kit is a list of what it may (`allowed`), for its text and for what is copied
  beside its process. A list of what it may not use is stale with the next module.
- Each run has a process of its own, forked from a zygote that has imported TensorFlow and computed nothing: a process
  that was used before cannot be cleaned, and starting one takes four seconds. TensorFlow has no thread until its first
  operation, so that forking is safe; elsewhere than on Linux, a process makes one run and ends.
- Each run has a sandbox of its own, too: bubblewrap makes it, around a program that waits, and the forked process
  enters its namespaces. What a namespace holds (sockets, shared memory, numbers of processes) is gone with it; what
  none holds (keys, files of memfd) is denied by a filter of system calls.
- A legal model is one by its weights and outputs, not by how it is built (`returned`): what is scored is the weights.
- A supervisor stands between the kit and a contained process, for orphans in new sessions become its children and not
  the kit's, and because it dies with the kit and the submission with it.
- The seconds of a contained call are taken by the kit, between two lines that the process sends, not by the process.
- What a contained process says of itself decides warnings only.
- Sandboxed submissions see a list of folders and nothing else, rather than the system less a list.
"""
