package durable

import "syscall"

const directFlag = syscall.O_DIRECT
