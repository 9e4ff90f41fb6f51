"""Training with the trainers of the libraries: SFT, reward model, RAFT, DPO, PPO, and the baselines."""
