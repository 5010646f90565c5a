"""The services of the shop: frontend, api, payments, worker, and the load that visits them."""
