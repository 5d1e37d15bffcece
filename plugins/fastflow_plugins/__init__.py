"""The components that come with fastflow, by kind; `plugin` registers them."""
