"""Write docs/results.md and the tables of the systems' pages from docs/results/.

python -m scripts.experiments.results
"""

from scripts.lib.results_page import render

if __name__ == "__main__":
    render()
