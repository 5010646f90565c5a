"""A small Kubernetes API server over TLS, for the real client library and the real kubectl.

Discovery, create/read/update/delete, watch, selectors, the three kinds of patches, scale, logs, eviction, events, dry
run, RBAC with access reviews, 401/403/404/409/422, and controllers that deploy, replace and heal pods. Nothing runs: what a
pod would do follows from its image, its variables and the objects around it (`kubelet.py` says how).
"""
