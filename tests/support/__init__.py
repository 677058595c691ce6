"""What tests share: people, services, programs, what is broken, and what is looked at."""
