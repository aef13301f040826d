package org.junit
annotation class Test
object Assert { @JvmStatic fun assertTrue(m: String, b: Boolean) {} }
