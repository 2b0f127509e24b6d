"""The AI engine's use cases: train, infer, record outcomes; all of it by way of `app.ports.forecasting`."""
