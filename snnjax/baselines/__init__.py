"""Methods that networks are compared with, fitted by scikit-learn on the networks' own splits."""
