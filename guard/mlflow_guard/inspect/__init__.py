# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, the mlops.mlflow contributors
"""What is there: databases, their schema and rights, the artifact store, and the marker that ties the two together.

Nothing here writes to a database, but for the record of the artifacts destination, which the schema step asks for.
"""
