"""What a method may use: training, losses, gradients, examples, inference, blocks, augmentation, seeds.

Nothing here leads to test data, to other models of a challenge or to where results are kept. A submission may import
this package and `kit.types`, and nothing else of the kit.
"""
