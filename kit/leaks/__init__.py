"""What the process of unlearning gives away, whatever the model that comes out of it is like.

Even exact retraining leaks here: by the time that it takes, by what changes in the answers, by how many weights move.
Each measure is an attacker with one kind of access; the table of docs/leaks.md says which.

What may come in: requests that are served by a method for the sake of measuring (`serving`), numbers from arrays
(`information`, `updates`, `reconstruction`) and from closed forms (`batches`), and the measurement as a whole
(`measurement`). How it is shown is in `kit.reports.leaks`, which knows no model.

Decisions:

- Time is read twice: in passes over examples, a clock without noise, of which verdicts are made; and in CPU seconds,
  which is what an attacker beside this machine would have at best.
- A batch of requests is one observation, however many requests are in it: standard errors are of a jackknife that
  leaves out whole batches.
- Padding and batching are the queue's part, and are applied here to durations that were measured; doing all the work
  each time is the method's (`constant` of `sisa`).
"""
