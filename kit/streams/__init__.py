"""Requests to forget, as they come: a queue on disk, who serves it when, with what answer; and its simulation.

What may come in: the queue and its state, policies, the work that a queue has done on a certified model, the evidence
of each request, replay over what came back from a backup, and the simulation of all that. Proofs stand below; a user's
single request with a model of their own is the room beside (`kit.requests`).

| file of a queue's folder | what it is |
|---|---|
| `requests/requests.sqlite` | requests, batches, and the history, whose lines are chained |
| `requests/tombstones.key` | the secret by which records are named in it |
| `requests/evidence/0007/` | what request 7 is answered with |
| all else | the certified model (`kit.proofs.trail`) |

Decisions:

- State is in SQLite alone (WAL, `synchronous=FULL`); each step is one transaction. What is done to the model cannot be
  a part of one, so it is begun by a plan in the database, and whoever comes after a kill compares plan and model.
- One batch is at work at a time, for there is one model. Its lease carries a number that grows with each owner: who
  was taken for dead cannot finish what another has taken over.
- Records are named by tombstones, HMACs of their content: a file that comes back from a backup can be searched for what
  is to be forgotten, and without the key nobody can tell whom the queue is about.
- The clock is handed in. Where it runs backwards, the queue's own time stands still, and the history says so.
- Nothing is settled before its evidence lies in its place.
"""
