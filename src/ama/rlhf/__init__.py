"""Training before and after the averaging: SFT, reward model, RAFT, DPO and PPO, thin over TRL."""
