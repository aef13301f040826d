"""Parameter-efficient fine-tuning of any functional Keras 3 model, by the types of its layers.

`apply` makes a copy of a network in which only a few new parameters and the head are trained; `merge` folds them into the
weights of the plain network, if the method allows it.
"""
