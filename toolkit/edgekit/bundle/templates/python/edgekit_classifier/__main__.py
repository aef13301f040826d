"""python -m edgekit_classifier"""

import sys

from .classify import main

sys.exit(main())
