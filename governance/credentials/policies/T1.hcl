# T1 Operator. Generated from governance/tiers.py by make docs.
# Tokens live 30 minutes, never beyond the plan's deadline (120 minutes at most).

path "firebreak/metadata/*" {
  capabilities = ["read", "list"]
}

path "firebreak/data/sandbox/*" {
  capabilities = ["create", "update"]
}

path "sys/init" {
  capabilities = ["deny"]
}

path "sys/generate-root/*" {
  capabilities = ["deny"]
}

path "sys/rekey/*" {
  capabilities = ["deny"]
}

path "sys/unseal" {
  capabilities = ["deny"]
}

path "sys/seal" {
  capabilities = ["deny"]
}

path "sys/policy/*" {
  capabilities = ["deny"]
}

path "sys/policies/*" {
  capabilities = ["deny"]
}

path "sys/auth/*" {
  capabilities = ["deny"]
}
