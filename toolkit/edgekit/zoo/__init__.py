"""The zoo: products built by edgekit, each a folder with a file to use and everything needed to check or reproduce it."""

from edgekit.zoo.products import Product, products, root

__all__ = ["Product", "products", "root"]
