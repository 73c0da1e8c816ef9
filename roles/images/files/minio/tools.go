// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026, the mlops.mlflow contributors

//go:build tools

// Package tools names the programs that are built. Their versions, and those of all that they need, are locked in go.mod and go.sum.
package tools

import (
	_ "github.com/minio/mc"
	_ "github.com/minio/minio"
)
