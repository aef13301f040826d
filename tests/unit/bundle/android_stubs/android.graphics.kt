package android.graphics
class Bitmap { val width: Int get() = TODO(); val height: Int get() = TODO(); fun getPixels(p: IntArray, o: Int, s: Int, x: Int, y: Int, w: Int, h: Int) {} }
object BitmapFactory { @JvmStatic fun decodeByteArray(b: ByteArray, o: Int, l: Int): Bitmap = TODO() }
