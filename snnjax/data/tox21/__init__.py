"""The Tox21 Data Challenge 2014: twelve yes-or-no questions about compounds, many unanswered."""
