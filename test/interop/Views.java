import java.math.BigDecimal;
import java.sql.*;
import java.time.OffsetDateTime;
import java.util.*;

/** Views.java URL: reads the views as the role reader, whose password is in PGPASSWORD. */
public class Views {
	static final Map<String, Integer> TYPES = Map.of(
		"text", Types.VARCHAR, "int4", Types.INTEGER, "bool", Types.BIT, "float8", Types.DOUBLE,
		"numeric", Types.NUMERIC, "timestamptz", Types.TIMESTAMP);

	static final List<String> VIEWS = List.of(
		"runlink_evidence_items", "runlink_gap_list", "runlink_governance_events", "runlink_limit_hits", "runlink_policy_decisions",
		"runlink_runs", "runlink_trace_integrity");

	static int columns = 0;

	static void same(Object expected, Object found, String what) {
		if (!Objects.equals(expected, found))
			throw new AssertionError(what + ": expected " + expected + ", found " + found);
	}

	static List<List<Object>> ask(Connection connection, String sql, Object... arguments) throws SQLException {
		List<List<Object>> rows = new ArrayList<>();
		try (PreparedStatement statement = connection.prepareStatement(sql)) {
			for (int i = 0; i < arguments.length; i++)
				statement.setObject(i + 1, arguments[i]);
			try (ResultSet result = statement.executeQuery()) {
				while (result.next()) {
					List<Object> row = new ArrayList<>();
					for (int i = 1; i <= result.getMetaData().getColumnCount(); i++)
						row.add(result.getMetaData().getColumnType(i) == Types.TIMESTAMP
							? result.getObject(i, OffsetDateTime.class) : result.getObject(i));
					rows.add(row);
				}
			}
		}
		return rows;
	}

	static void typesAndComments(Connection connection) throws SQLException {
		DatabaseMetaData meta = connection.getMetaData();
		List<String> found = new ArrayList<>();

		try (ResultSet views = meta.getTables(null, "public", "runlink\\_%", new String[] {"VIEW"})) {
			while (views.next()) {
				String view = views.getString("TABLE_NAME");
				found.add(view);
				same(List.of(List.of(views.getString("REMARKS"))),
					ask(connection, "select obj_description(?::regclass)", view), "the comment of " + view);
			}
		}
		same(VIEWS, found, "the views");
		try (ResultSet column = meta.getColumns(null, "public", "runlink\\_%", "%")) {
			while (column.next()) {
				String view = column.getString("TABLE_NAME");
				String name = column.getString("COLUMN_NAME");
				String comment = column.getString("REMARKS");

				same(TYPES.get(column.getString("TYPE_NAME")), column.getInt("DATA_TYPE"), "the type of " + view + "." + name);
				if (comment == null || comment.isBlank())
					throw new AssertionError("no comment on " + view + "." + name);
				same(List.of(List.of(comment)),
					ask(connection, "select col_description(?::regclass, ?)", view, column.getInt("ORDINAL_POSITION")),
					"the comment of " + view + "." + name);
				columns++;
			}
		}
	}

	static void rows(Connection connection) throws SQLException {
		String run = "run-linkage-test-001";

		same(List.of(List.of(run)), ask(connection, "select run_id from runlink_runs"), "a tenant sees its own run alone");
		same(List.of(Arrays.asList(
				"tenant-test-001", "succeeded", true, OffsetDateTime.parse("2026-01-15T09:00Z"), 720000.0,
				new BigDecimal("0.0865"), null, 2, 3, 5, "sealed")),
			ask(connection, "select tenant_id, status, policy_violation, created_at, duration_ms, estimated_cost_usd,"
				+ " parent_run_id, incident_count, decision_count, step_count, sealing from runlink_runs where run_id = ?", run),
			"the run");
		same(List.of(
				List.of("decision", 3L), List.of("governance_event", 3L), List.of("incident", 2L), List.of("limit_breach", 1L),
				List.of("policy_evaluation", 3L), List.of("run", 1L), List.of("trace", 1L)),
			ask(connection, "select kind, count(*) from runlink_evidence_items where run_id = ? group by kind order by kind", run),
			"its evidence");
		same(List.of(List.of("audit-test-003", "PolicyRuleModified", OffsetDateTime.parse("2026-01-15T09:20Z"))),
			ask(connection, "select record_id, event_type, occurred_at from runlink_governance_events"
				+ " where run_id = ? and occurred_at > ?", run, OffsetDateTime.parse("2026-01-15T09:15Z")),
			"events after a time");
		same(List.of(List.of("BLOCKED", "Test Policy Rule 2", 0.97)),
			ask(connection, "select decision, policy_name, match_confidence from runlink_policy_decisions where decision_id = ?",
				"dec-prev-test-002"), "a decision");
		same(List.of(List.of("Budget Limit", new BigDecimal("105.5000"), new BigDecimal("100.0000"))),
			ask(connection, "select limit_name, value_at_breach, limit_value from runlink_limit_hits where run_id = ?", run),
			"a limit hit");
		same(List.of(Arrays.asList("trace_" + run, 5, 5, 0, "sealed", true)),
			ask(connection, "select trace_id, step_count, sealed_step_count, unsealed_step_count, sealing, sealed_as_ended"
				+ " from runlink_trace_integrity where run_id = ?", run), "a trace");
		same(List.of(List.of("HASH_CHAIN", "VERIFIED")),
			ask(connection, "select model, verification_status from runlink_proof(?)", run), "its proof");
	}

	public static void main(String[] arguments) throws SQLException {
		try (Connection connection = DriverManager.getConnection(arguments[0], "reader", System.getenv("PGPASSWORD"))) {
			System.out.println("pgJDBC " + connection.getMetaData().getDriverVersion());
			typesAndComments(connection);
			// From the fifth time on the driver prepares statements in the server.
			for (int i = 0; i < 12; i++)
				rows(connection);
		}
		System.out.println(VIEWS.size() + " views with " + columns + " columns are as Java reads them");
	}
}
