package edgekit.classifier

import android.content.res.AssetManager
import android.graphics.BitmapFactory
import android.util.Log
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.abs
import org.json.JSONObject
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith

/** Does this device compute the same as the machine that made the bundle? */
@RunWith(AndroidJUnit4::class)
class SelfTest {
    private val context = InstrumentationRegistry.getInstrumentation().targetContext
    private val assets: AssetManager = InstrumentationRegistry.getInstrumentation().context.assets
    private val golden = JSONObject(String(asset("golden.json"), Charsets.UTF_8))
    private val vectors = golden.getJSONArray("vectors")
    private val count = golden.getInt("count")

    @Test
    fun picturesBecomeTheRecordedInputs() {
        Classifier(context).use { classifier ->
            val inputs = asset("inputs.bin")
            val size = inputs.size / count
            for (i in 0 until count) {
                val source = vectors.getJSONObject(i).optString("source")
                if (!source.endsWith(".png")) continue
                val content = asset(source)
                val picture = BitmapFactory.decodeByteArray(content, 0, content.size)
                val found = bytes(classifier.tensor(picture))
                val expected = inputs.copyOfRange(i * size, (i + 1) * size)
                assertTrue("$source becomes another input", found.contentEquals(expected))
            }
        }
    }

    @Test
    fun outputsAndLabelsAreAsExpected() {
        Classifier(context).use { classifier ->
            val inputs = asset("inputs.bin")
            val outputs = asset("outputs.bin")
            val comparison = golden.getJSONObject("comparison")
            val allowed = comparison.getDouble("allowed_elsewhere")
            var exact = 0
            var worst = 0.0
            for (i in 0 until count) {
                val found = classifier.numbers(classifier.run(part(inputs, i)))
                val expected = classifier.numbers(part(outputs, i))
                val difference = found.indices.map { abs(found[it] - expected[it]) }.fold(0.0) { a, b -> maxOf(a, b) }
                if (difference == 0.0) exact++
                worst = maxOf(worst, difference)
                // If two classes have nearly equal outputs, an allowed step may swap them.
                val most = found.fold(found[0]) { a, b -> maxOf(a, b) }
                val label = vectors.getJSONObject(i).getInt("expected")
                assertTrue("label of vector $i", found[label] + 2 * allowed >= most)
            }
            val told = "$exact of $count outputs bit-identical, at most $worst ${comparison.getString("unit")} apart"
            Log.i("edgekit", told)
            assertTrue(told, worst <= allowed)
        }
    }

    /** The tensor of vector `i`: the files are little-endian. */
    private fun part(content: ByteArray, i: Int): ByteBuffer {
        val size = content.size / count
        val tensor = ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN)
        tensor.put(content, i * size, size)
        tensor.rewind()
        return tensor
    }

    private fun bytes(tensor: ByteBuffer): ByteArray {
        tensor.rewind()
        return ByteArray(tensor.remaining()).also { tensor.get(it) }
    }

    private fun asset(name: String): ByteArray = assets.open("edgekit/golden/$name").use { it.readBytes() }
}
