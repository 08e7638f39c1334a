export type Resource = 'client' | 'federation' | 'identity' | 'admin' | 'metrics'
