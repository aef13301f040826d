package androidx.test.platform.app
class InstrumentationRegistry { val targetContext: android.content.Context get() = TODO(); val context: android.content.Context get() = TODO(); companion object { @JvmStatic fun getInstrumentation(): InstrumentationRegistry = TODO() } }
