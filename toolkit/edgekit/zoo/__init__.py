"""The zoo: products that edgekit has built, each a folder with a file to use and all that is needed to check or repeat it."""

from edgekit.zoo.products import Product, products, root

__all__ = ["Product", "products", "root"]
