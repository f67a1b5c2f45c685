"""Any registered model as a scikit-learn estimator."""
