"""Flatcar: releases, first boots, update policies. Pure."""
