"""`trimtab features`, `users` and `providers`: their kill switches."""

from trimtab.cli.switch import switch_group
from trimtab.domain.suspension import ScopeKind

features = switch_group(ScopeKind.FEATURE)
users = switch_group(ScopeKind.USER)
providers = switch_group(ScopeKind.PROVIDER)
