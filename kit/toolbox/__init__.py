"""What a method may use: training, losses, gradients, examples, inference, blocks, augmentation, seeds.

Nothing here leads to test data, to other models of a challenge or to where results are kept. A submission may import
this package and `kit.types`, and nothing else of the kit.

Decisions:

- The images of a training are kept in 8 bits if they were, though a method is handed float32: `examples.in_memory`
  packs them again, and checks that no bit is lost.
- How many examples a call of the compiled loop takes is found out on the way, a second's worth, so that bars move and
  Ctrl-C is heard; no bit depends on it.
"""
