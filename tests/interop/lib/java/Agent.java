import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Runs one Java test program after another. A call is a line with the program's class and its
 * arguments, separated by U+001F, a line with a count, and that many lines of input; the answer is
 * "ok N" or "error N" and N lines.
 */
public final class Agent {
    private Agent() {}

    private static String call(String[] call, List<String> in) throws Exception {
        var bytes = new ByteArrayOutputStream();
        try (var out = new PrintStream(bytes)) {
            Class.forName(call[0])
                    .getDeclaredMethod("run", String[].class, List.class, PrintStream.class)
                    .invoke(null, Arrays.copyOfRange(call, 1, call.length), in, out);
        }
        return bytes.toString();
    }

    private static String trace(Throwable error) {
        var text = new StringWriter();
        (error instanceof InvocationTargetException ? error.getCause() : error).printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    public static void main(String[] args) throws Exception {
        var in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            var rows = new ArrayList<String>();
            for (int left = Integer.parseInt(in.readLine()); left > 0; left--) {
                rows.add(in.readLine());
            }
            String status;
            String out;
            try {
                out = call(line.split("\u001f", -1), rows);
                status = "ok";
            } catch (Throwable error) {
                out = trace(error);
                status = "error";
            }
            System.out.println(status + " " + out.lines().count());
            out.lines().forEach(System.out::println);
            System.out.flush();
        }
    }
}
